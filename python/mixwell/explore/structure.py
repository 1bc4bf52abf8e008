def structure():
    pass
