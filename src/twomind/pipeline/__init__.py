"""One answer from file to result folder, many answers; enrolment and erasure."""
