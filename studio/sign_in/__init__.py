"""Where allauth meets the studio: the steps of a sign-in, kept secrets, who single sign-on lets in."""
