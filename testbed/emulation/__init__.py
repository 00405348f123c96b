"""From a spec to a live network: Mininet nodes, Open vSwitch, bonds, shaped links, faults."""
