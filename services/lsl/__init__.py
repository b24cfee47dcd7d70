"""The outlet to the Lab Streaming Layer."""
