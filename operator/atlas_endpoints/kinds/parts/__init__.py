"""The words in which a kind is declared: its calls, its fields, and the meaning of each status. They know no life and no kind."""
