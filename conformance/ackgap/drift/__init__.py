"""Whether documents, schemas, specifications and code still say what the contract says."""
