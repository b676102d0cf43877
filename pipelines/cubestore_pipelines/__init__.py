"""From archives to cubes: simulated scenes and the command line; search and build to come."""
