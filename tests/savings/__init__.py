"""Images with one fault each: a plan is made, carried out, and its figures held to the result."""
