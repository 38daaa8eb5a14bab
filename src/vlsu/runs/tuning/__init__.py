"""The search for a framing that balances two harms."""
