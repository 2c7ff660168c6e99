"""Training queries made of a catalogue's own values, for shops with few judgements or none."""
