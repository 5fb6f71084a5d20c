"""The clinic's own measures: what a ruler on the face would say, frame by frame and movement by movement.

1. ``face_frame``: the 68 points as they lie on the face, whatever the head does (``FacePoints``).
2. ``flow``: where a resting face is found again in another picture.
3. ``skin``: where its skin has gone, and the points of every frame moved there.
4. ``curves``: distances, angles and areas of each side in every frame.
5. ``scale``: millimetres in an eye distance, where they come from and how sure they are.
6. ``tasks``: which movements were made, and when.
7. ``measures``: excursions, closure, speed and delay of each side in each movement.
8. ``examine``: all of it, of one recording (``ClinicMeasures``).
9. ``scales``: House-Brackmann, FNGS 2.0 and Sunnybrook by rule, item by item (``ScaleScore``).
"""
