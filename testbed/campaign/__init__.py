"""The runs behind the figures, carried out again and compared with the reference."""
