"""Machines, hours, memory, disk and cost of a catalogue, from measured rates."""
