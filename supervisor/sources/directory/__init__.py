"""A directory as a source: a mounted volume, or files that people edit."""
