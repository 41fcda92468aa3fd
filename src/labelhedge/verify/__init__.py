"""From votes to labels: what people said about images is kept, weighed and turned into verified labels."""
