"""Fuses heart rate, skin conductance and facial expression into one state for each person."""
