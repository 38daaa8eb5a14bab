"""The batch interfaces of providers: requests handed in together and answered within a day."""
