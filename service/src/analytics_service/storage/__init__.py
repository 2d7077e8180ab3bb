"""Where exported files are stored: a folder, or a bucket of what speaks S3."""
