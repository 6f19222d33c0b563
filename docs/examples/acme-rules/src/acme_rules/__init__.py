"""An example of a plug-in: shell scripts that have grown too long."""
