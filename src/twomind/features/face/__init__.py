"""Face: who is followed, landmarks, action units, head pose, gaze, blinks, quality."""
