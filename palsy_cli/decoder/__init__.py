"""The decoder: a process of its own, which alone hands bytes of a user's file to FFmpeg or OpenCV.

A hostile or damaged file may crash it, fill its memory or keep it busy for ever; that costs this file an error, nothing
else. ``process`` is our side, ``child`` the other one; pictures come through shared memory (``ring``). Who only wants
frames calls ``stages.video``.
"""
