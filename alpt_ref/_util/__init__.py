"""What every room uses and no room is about: checks, files and folders, processes, plug-ins, progress, statistics."""
