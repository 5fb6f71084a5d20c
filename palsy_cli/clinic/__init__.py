"""The clinic's own measures: what a ruler on the face would say, frame by frame and movement by movement.

1. ``face_frame``: the 68 points as they lie on the face, whatever the head does (``FacePoints``).
2. ``flow``: where the skin under the points of the resting face has gone.
3. ``curves``: distances, angles and areas of each side in every frame.
4. ``scale``: millimetres in an eye distance, where they come from and how sure they are.
5. ``tasks``: which movements were made, and when.
6. ``measures``: excursions, closure, speed and delay of each side in each movement.
7. ``examine``: all of it, of one recording (``ClinicMeasures``).
8. ``scales``: House-Brackmann, FNGS 2.0 and Sunnybrook by rule, item by item (``ScaleScore``).
"""
