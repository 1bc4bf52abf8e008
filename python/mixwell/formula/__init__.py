"""The formula language: text to bars, terms and expressions. No data is seen here."""
