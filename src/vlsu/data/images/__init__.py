"""Image files: what they are, their pixels, the store, folders of them, images within rows."""
