"""Finding images by words: BM25 over captions, embeddings of what is seen, and both."""
