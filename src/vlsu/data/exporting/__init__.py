"""Publishing a dataset: files of other tools' formats, with what their readers need to know."""
