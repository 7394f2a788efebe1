"""A release of a study: what people agreed to give to others, in the layout of a BAH release."""
