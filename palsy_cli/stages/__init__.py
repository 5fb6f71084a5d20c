"""The stages of an assessment, in order; each takes records and gives records, and nothing goes back.

1. ``video``: a file becomes a ``Clip`` whose upright, unmirrored frames can be streamed.
2. ``detection``: faces and five points in single pictures.
3. ``face``: the patient's face through the clip, and why a frame is not used (``FaceTrack``).
4. ``alignment``: the geometry that brings a face into a standard crop.
5. ``landmarks``: the 68 points (``Landmarks``), frame after frame by ``point_finder``, in each by ``locating``.
6. ``keyframes``: the frames that differ from each other (``Keyframes``).
7. ``halves``: both half faces, the midline first (``HalfFaces``).
8. ``action_units``: the intensity of every action unit on each side (``ActionUnits``).
9. ``grading``: severity and House-Brackmann (``Grades``).
10. ``symptoms``: weakness and synkinesis (``Symptoms``).
"""
