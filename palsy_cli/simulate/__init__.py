"""People with a palsy of known side, severity and synkinesis: the truth that the measuring stages are held against.

``muscles``: action unit -> displacement of the 68 points. ``palsy``: lesion -> drive of each muscle. ``scores``: lesion
-> clinical scores. ``clips``: a protocol of expressions -> frames, video and ``truth.json``, through any renderer.
``person``: the drawn, shaded face as one such renderer; ``template``, ``mesh``, ``shading``, ``hair``, ``features`` and
``wrinkles`` hold its parts. ``photo_renderer``: one photo as another renderer. ``held``: a real recording in which one
half follows only a fraction of its motion. ``photo``, ``rig`` and ``warp`` (``warp_batch`` on a GPU): the fast warping
that training draws from. ``cover``: glasses, hair and hands over its faces. ``run``: what ``palsy simulate`` calls.
"""
