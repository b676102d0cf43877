"""A small archive with known truth; what reads real archives never looks in here."""
