"""The built-in background post-hooks: evaluation, analytics, notification."""
