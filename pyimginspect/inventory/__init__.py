"""What is installed: pure functions from the final file system to facts."""
