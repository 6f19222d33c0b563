"""A reference → an :class:`~pyimginspect.model.Image`, wherever the image lives."""
