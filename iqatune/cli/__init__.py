"""The command line: one thin module per verb. No computation lives here."""
