"""Image processing: decoding, face crops, preprocessing, smoothing over time, colours, blurring."""
