"""What people see in their editors."""
