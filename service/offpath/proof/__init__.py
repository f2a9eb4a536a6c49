"""The experiment that shows what hooks cost a response: `offpath prove`."""
