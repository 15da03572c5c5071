"""Source finders side by side: speed and accuracy on generated skies."""
