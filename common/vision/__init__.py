"""Image processing: decoding, face crops, preprocessing, smoothing, colours, pixelation."""
