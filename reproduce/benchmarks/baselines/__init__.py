"""What people use: plain implementations to measure against and to test with."""
