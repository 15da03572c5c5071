"""Records of streams in Parquet files, and streams that are associated again from them."""
