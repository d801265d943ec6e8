"""The hall's room for scaling: what is known is gathered, a policy decides, and the decision is applied or told."""
