"""Where images come from: files, and a folder that is watched for them."""
