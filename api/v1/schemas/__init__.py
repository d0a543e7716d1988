"""In and Out shapes. One file per noun; never a verb."""
