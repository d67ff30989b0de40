"""What commands show: tables and pictures in a terminal, progress, JSON."""
