"""The life of a promotion: quoted, promoted, worked on, settled, archived."""
