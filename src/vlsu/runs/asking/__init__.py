"""From a plan to stored responses: keys, pace, images, the executor."""
