"""The MTA agent: from the queue to the connectors, by the address map."""
