"""The control plane beside a gateway of the field, its growth, and where its time goes."""
