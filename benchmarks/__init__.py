"""Speed of convnative beside its peers; see README.md in this folder."""
