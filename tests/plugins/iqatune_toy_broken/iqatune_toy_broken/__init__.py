"""What can be wrong with a plug-in of iqatune."""
